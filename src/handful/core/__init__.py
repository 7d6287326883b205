"""What every stage may import; imports nothing of ours."""
