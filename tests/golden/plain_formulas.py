"""The analytic functions once more, as the publications write them: loops over Python floats, no torch."""

import math
from itertools import pairwise
from math import cos, exp, pi, sin, sqrt


def ackley(x):
    d = len(x)
    return 20 + math.e - 20 * exp(-0.2 * sqrt(sum(a * a for a in x) / d)) - exp(sum(cos(2 * pi * a) for a in x) / d)


def griewank(x):
    return sum(a * a / 4000 for a in x) - math.prod(cos(a / sqrt(i)) for i, a in enumerate(x, 1)) + 1


def levy(x):
    w = [1 + (a - 1) / 4 for a in x]
    middle = sum((a - 1) ** 2 * (1 + 10 * sin(pi * a + 1) ** 2) for a in w[:-1])
    return sin(pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + sin(2 * pi * w[-1]) ** 2)


def rastrigin(x):
    return 10 * len(x) + sum(a * a - 10 * cos(2 * pi * a) for a in x)


def schwefel(x):
    return 418.9828872724338 * len(x) - sum(a * sin(sqrt(abs(a))) for a in x)


def perm_0_d_beta(x, beta=10.0):
    n = range(1, len(x) + 1)
    return sum(sum((j + beta) * (x[j - 1] ** i - 1 / j**i) for j in n) ** 2 for i in n)


def perm_d_beta(x, beta=0.5):
    n = range(1, len(x) + 1)
    return sum(sum((j**i + beta) * ((x[j - 1] / j) ** i - 1) for j in n) ** 2 for i in n)


def rotated_hyper_ellipsoid(x):
    return sum(sum(x[j] ** 2 for j in range(i + 1)) for i in range(len(x)))


def sphere(x):
    return sum(a * a for a in x)


def sum_of_different_powers(x):
    return sum(abs(a) ** (i + 1) for i, a in enumerate(x, 1))


def sum_squares(x):
    return sum(i * a * a for i, a in enumerate(x, 1))


def trid(x):
    return sum((a - 1) ** 2 for a in x) - sum(a * b for a, b in pairwise(x))


def zakharov(x):
    s = sum(0.5 * i * a for i, a in enumerate(x, 1))
    return sum(a * a for a in x) + s**2 + s**4


def dixon_price(x):
    return (x[0] - 1) ** 2 + sum(i * (2 * x[i - 1] ** 2 - x[i - 2]) ** 2 for i in range(2, len(x) + 1))


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (a - 1) ** 2 for a, b in pairwise(x))


def powell(x):
    total = 0.0
    for k in range(0, len(x), 4):
        a, b, c, d = x[k : k + 4]
        total += (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4
    return total


def styblinski_tang(x):
    return 0.5 * sum(a**4 - 16 * a**2 + 5 * a for a in x)


def michalewicz(x):
    return -sum(sin(a) * sin(i * a * a / pi) ** 20 for i, a in enumerate(x, 1))


def curved_valley(x):
    t, d = x[0], len(x)
    walls = 0.0
    for i, a in enumerate(x[1:]):
        frequency = 3 - 2 * i / (d - 2) if d > 2 else 3
        walls += (a - sin(frequency * t)) ** 2
    return t * t / 2 + 50 * walls


def plateau(x):
    return 1 - exp(-sum((a - 1) ** 2 for a in x) / len(x))


def bad_scaling(x):
    d = len(x)
    return sum((a / 10 ** (-2 + 4 * i / (d - 1)) - 1) ** 2 for i, a in enumerate(x)) / 2


def kink(x):
    d = len(x)
    return max(abs(a - 1) for a in x) + sum(2 * i / (d + 1) * abs(a - 1) for i, a in enumerate(x, 1)) / d


def heavy_tailed_noise(x):
    d = len(x)
    return sum(10 ** (-1 + i / (d - 1)) * (a - 1) ** 2 for i, a in enumerate(x)) / 2


def quadratic(x, hessian, minimiser):
    away = [a - c for a, c in zip(x, minimiser, strict=True)]
    return sum(a * h * b for a, row in zip(away, hessian, strict=True) for h, b in zip(row, away, strict=True)) / 2


def saddle_escape(x, way_out, curvature=0.01):
    t = sum(a * b for a, b in zip(x, way_out, strict=True))
    across = sum((a - t * b) ** 2 for a, b in zip(x, way_out, strict=True))
    return across / 2 - curvature * t**2 / 2 - t**4 / 2 + t**6 / 6
