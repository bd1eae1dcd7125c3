"""Pictures: which are converted, each of them read, translated and written, and the pages that show them."""
