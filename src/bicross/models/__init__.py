"""Inference: bi-encoders, cross-encoders and late interaction on OpenVINO, without torch."""
