"""One small program for each contestant: connects, counts what arrives, and prints one line of JSON."""
