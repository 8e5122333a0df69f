"""Reading what students handed in, every byte of it untrusted."""
