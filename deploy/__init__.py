"""What is deployed, and the checks of it; nothing that a server imports."""
