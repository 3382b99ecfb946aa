"""How the processes of a server start and stop, and what lives and ends with them."""
