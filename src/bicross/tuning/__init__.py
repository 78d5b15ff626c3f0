"""The loop: mine, denoise, train both models, distil, fit the weights, measure, decide, promote."""
