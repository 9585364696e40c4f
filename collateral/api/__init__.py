"""The market over REST: instruments, prices, exchange rates and lending haircuts, the same for every firm."""
