"""The contestants: this package, the libraries that it is compared with, and programs by hand."""
