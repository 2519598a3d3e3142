"""The chip's memory map, as far as tools and simulator share it.

Source: Apollo3 Blue data sheet (DS-A3-0p9p1), memory map; SparkFun's boot loader for 0x10000.
"""

FLASH_START, FLASH_END = 0x0000_0000, 0x0010_0000
"""1 MB of flash."""

SRAM_START, SRAM_END = 0x1000_0000, 0x1006_0000
"""384 KB of SRAM, the first 64 KB tightly coupled."""

APPLICATION = 0xC000
"""Where the chip's own boot loader starts an image."""

SVL_APPLICATION = 0x1_0000
"""Where SparkFun's serial boot loader (SVL) starts an image."""

USER_SLOT, USER_SLOT_BYTES = 0xE_0000, 0x1_0000
"""The flash that holds a student of one's own."""

PAGE_BYTES = 8_192
"""Flash is erased by pages of this size."""
