"""Export: a trained student becomes a bundle of files, each of which passes the parity gate."""
