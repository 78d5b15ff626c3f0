"""Tests of mining, and the rows they share."""
