"""How the server is deployed; what of it is Python makes or checks files here, and is installed nowhere."""
