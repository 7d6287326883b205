"""Stage 7: proves on held-out real photos whether samples make an inspector better."""
