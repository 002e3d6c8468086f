import torch

from rmobench.tasks.analytic.matrix_quadratic import function


def test_the_hessian_has_the_requested_condition_number():
    f = function(5, 3, cond=64.0, seed=0)
    hessian = torch.autograd.functional.hessian(f.value, torch.zeros(5, 3, dtype=torch.float64)).reshape(15, 15)
    eigenvalues = torch.linalg.eigvalsh(hessian)
    torch.testing.assert_close(eigenvalues[-1] / eigenvalues[0], torch.tensor(64.0, dtype=torch.float64))
    torch.testing.assert_close(eigenvalues[-1], torch.tensor(1.0, dtype=torch.float64))
    assert f.value(f.minimiser).item() == 0.0
