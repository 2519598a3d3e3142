/* What CMSIS-DSP expects of a file that its package leaves out: the compiler's own intrinsics
 * under CMSIS' names. */
#pragma once

#include <arm_acle.h>
#include <stdint.h>

#define __ASM __asm
#define __STATIC_FORCEINLINE __attribute__((always_inline)) static inline
#define __STATIC_INLINE static inline
#define __ALIGNED(bytes) __attribute__((aligned(bytes)))
#define __WEAK __attribute__((weak))
#define __CLZ __clz
#define __ROR __ror
#define __SSAT __ssat
#define __USAT __usat
#define __QADD __qadd
#define __QSUB __qsub
#define __QADD16 __qadd16
#define __QSUB16 __qsub16
#define __SHADD16 __shadd16
#define __SHSUB16 __shsub16
#define __QASX __qasx
#define __QSAX __qsax
#define __SHASX __shasx
#define __SHSAX __shsax
#define __SMUAD __smuad
#define __SMUADX __smuadx
#define __SMUSD __smusd
#define __SMUSDX __smusdx
#define __SMLAD __smlad
#define __SMLADX __smladx
#define __SMLSDX __smlsdx
#define __SMLALD __smlald
#define __SMLALDX __smlaldx
#define __SXTB16 __sxtb16
#define __PKHBT(low, high, shift)                                                                  \
    ({                                                                                             \
        uint32_t joined_;                                                                          \
        __asm("pkhbt %0, %1, %2, lsl %3"                                                           \
              : "=r"(joined_)                                                                      \
              : "r"((uint32_t)(low)), "r"((uint32_t)(high)), "I"(shift));                          \
        joined_;                                                                                   \
    })
