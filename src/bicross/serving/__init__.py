"""A collection over HTTP and MCP: for people, programs and agents."""
