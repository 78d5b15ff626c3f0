"""What every implementation of a plug must do. An implementation's tests subclass a suite and say how to make one.

class TestHashedEncoder(EncoderConformance):
    def make(self) -> HashedEncoder:
        return HashedEncoder()
"""
