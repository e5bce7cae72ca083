"""What is done to this host's units through systemctl: draining workers, and replacing them."""
