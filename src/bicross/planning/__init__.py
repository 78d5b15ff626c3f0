"""What a latency budget buys."""
