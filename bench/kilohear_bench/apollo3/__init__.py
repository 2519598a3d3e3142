"""The Apollo3 board: what its firmware computes, its image, a simulator of the chip, flashing."""
