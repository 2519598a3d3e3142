/* Which pad does what. Function numbers: GPIO_PADREGx.PADnFNCSEL in apollo3.svd. */
#ifndef PINS_H
#define PINS_H

#if defined(BOARD_EVB) /* Ambiq's Apollo3 Blue evaluation board; a PDM microphone on pads 11, 12 */
#define UART_TX_PAD 22u
#define UART_TX_FUNCTION 0u
#define UART_RX_PAD 23u
#define UART_RX_FUNCTION 0u
#define PDM_CLOCK_PAD 12u
#define PDM_CLOCK_FUNCTION 5u
#define PDM_DATA_PAD 11u
#define PDM_DATA_FUNCTION 7u
#else /* SparkFun's Artemis boards with a microphone: RedBoard, Nano, Thing Plus */
#define UART_TX_PAD 48u
#define UART_TX_FUNCTION 0u
#define UART_RX_PAD 49u
#define UART_RX_FUNCTION 0u
#define PDM_CLOCK_PAD 37u
#define PDM_CLOCK_FUNCTION 6u
#define PDM_DATA_PAD 36u
#define PDM_DATA_FUNCTION 7u
#endif

#define ADC_PAD 29u /* ADCSE1 */
#define ADC_FUNCTION 0u
#define ADC_CHANNEL 1u

#define WINDOW_PAD 5u
#define WORK_PAD 6u

/* Give a pad its function and its electrical settings (GPIO_PAD_...). */
void pad_set(unsigned pad, unsigned setting);

#endif
