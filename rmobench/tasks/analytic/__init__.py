"""Classical test functions of any dimension, quadratics, and pathologies that separate optimizers."""
