"""What our services cost and bring beside a tutorial's: `make bench`."""
