"""The simulated Cadenza API, by the contract notes of its documentation and clients."""
