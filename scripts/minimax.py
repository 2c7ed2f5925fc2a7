#!/usr/bin/env python3
"""minimax.py -- fits the polynomials of codegen/math_*.cpp.

Each entry of FITS names a polynomial; `minimax.py NAME...` prints its coefficients, rounded to the
format they are used in, and the largest weighted error that they leave. Needs mpmath; the build and
the tests do not need this script.

Method: Remez exchange on the functions x^k, k in `powers`, for the error weight(x) * (f(x) - p(x)).
Coefficients are rounded one at a time, lowest power first, and the rest are fitted again, so later
ones make up for the rounding of earlier ones.
"""
import sys
from mpmath import mp, mpf, matrix, lu_solve, pi
import mpmath

mp.dps = 50


def round_to(x, bits):
    """x to `bits` significant bits, ties to even."""
    if x == 0:
        return mpf(0)
    mantissa, exponent = mpmath.frexp(x)
    return mpmath.ldexp(mpmath.nint(mpmath.ldexp(mantissa, bits)), int(exponent) - bits)


def grid(lo, hi, n):
    """Chebyshev points, so that the ends are well covered; none is exactly zero."""
    points = [(lo + hi) / 2 - (hi - lo) / 2 * mpmath.cos(pi * (i + mpf(1) / 3) / n) for i in range(n)]
    return [lo] + [p for p in points if abs(p) > mpf(10) ** -30] + [hi]


def remez(points, g, w, powers):
    """Coefficients c that minimise max w |g - sum c_k x^k| over the points, and that maximum."""
    n = len(powers)
    x_pow = [[x ** k for k in powers] for x in points]
    index = [int(round(i * (len(points) - 1) / n)) for i in range(n + 1)]
    for i, at in enumerate(index):  # a zero weight gives no equation
        while w[at] == 0:
            at += 1
        index[i] = at
    best = None
    for _ in range(60):
        a = matrix(n + 1, n + 1)
        rhs = matrix(n + 1, 1)
        for row, at in enumerate(index):
            for col in range(n):
                a[row, col] = x_pow[at][col]
            a[row, n] = (-1) ** row / w[at]
            rhs[row] = g[at]
        solution = lu_solve(a, rhs)
        c = [solution[i] for i in range(n)]
        error = [w[i] * (g[i] - sum(ck * p for ck, p in zip(c, x_pow[i]))) for i in range(len(points))]
        worst = max(abs(e) for e in error)
        if best is None or worst < best[1]:
            best = (c, worst)
        if worst <= abs(solution[n]) * mpf("1.0005"):
            break
        runs = []  # the largest error of each run of one sign
        for i, e in enumerate(error):
            if e == 0:
                continue
            if runs and (error[runs[-1]] > 0) == (e > 0):
                if abs(e) > abs(error[runs[-1]]):
                    runs[-1] = i
            else:
                runs.append(i)
        while len(runs) > n + 1:
            least = min(range(len(runs)), key=lambda i: abs(error[runs[i]]))
            if least in (0, len(runs) - 1) or len(runs) == n + 2:
                runs.pop(0 if abs(error[runs[0]]) < abs(error[runs[-1]]) else -1)
            else:  # its neighbours have one sign: the larger of them stays
                a, b = runs[least - 1], runs[least + 1]
                runs[least - 1:least + 2] = [a if abs(error[a]) > abs(error[b]) else b]
        if len(runs) < n + 1:
            break
        index = runs
    return best


def fit(f, lo, hi, powers, weight, bits=24, fixed=None, first=None, n=None):
    """Rounded coefficients {power: value} and the largest weighted error.

    fixed: coefficients given in advance; first: bits of single coefficients that need more or fewer.
    """
    lo, hi = mpf(lo), mpf(hi)
    known = dict(fixed or {})
    points = grid(lo, hi, n or 60 * (len(powers) + 1))
    values = [f(x) for x in points]
    w = [abs(weight(x)) for x in points]
    powers = list(powers)
    while powers:
        # Divided by the lowest power that is left: the rest are a Haar system across zero too.
        low = powers[0]
        rest = [(v - sum(c * x ** k for k, c in known.items())) / x ** low for v, x in zip(values, points)]
        c, _ = remez(points, rest, [wi * abs(x) ** low for wi, x in zip(w, points)],
                     [k - low for k in powers])
        k = powers.pop(0)
        known[k] = round_to(c[0], (first or {}).get(k, bits))
    error = max(wi * abs(v - sum(c * x ** k for k, c in known.items()))
                for wi, v, x in zip(w, values, points))
    return known, error


def show(name, coefficients, error):
    print(f"// {name}: error 2^{float(mpmath.log(error, 2)):.2f}")
    for k in sorted(coefficients):
        print(f"  {float(coefficients[k]).hex()},  // x^{k} = {mpmath.nstr(coefficients[k], 17)}")


LN2 = mpmath.log(2)
HALF_LN2 = LN2 / 2 * mpf("1.0005")  # rounding of x*log2(e) reaches a little past the middle
one = lambda x: mpf(1)


def exp_poly(degree, bits):
    return lambda: fit(mpmath.exp, -HALF_LN2, HALF_LN2, range(2, degree + 1),
                       lambda x: 1 / mpmath.exp(x), bits, {0: mpf(1), 1: mpf(1)})


def exp2_poly(degree, bits):
    return lambda: fit(lambda x: mpf(2) ** x, "-0.5005", "0.5005", range(1, degree + 1),
                       lambda x: mpf(2) ** -x, bits, {0: mpf(1)})


def expm1_poly(degree, bits):
    """(expm1(x) - x) / x^2; the error is relative to expm1."""
    return lambda: fit(lambda x: (mpmath.expm1(x) - x) / x ** 2, -HALF_LN2, HALF_LN2,
                       range(1, degree - 1), lambda x: x ** 2 / mpmath.expm1(x), bits, {0: mpf(1) / 2})


SQRT_HALF = mpmath.sqrt(mpf(1) / 2)
LOG_LOW, LOG_HIGH = SQRT_HALF - 1, 2 * SQRT_HALF - 1


def exp_ratio_poly(terms, bits):
    """r coth(r/2) = u in z = r^2; the error is relative to e^r = (u + r) / (u - r)."""
    def u(z):
        r = mpmath.sqrt(z)
        return r * mpmath.coth(r / 2)
    def weight(z):
        t = mpmath.tanh(mpmath.sqrt(z) / 2)
        return 2 * t / (1 - t ** 2) / u(z)
    return lambda: fit(u, HALF_LN2 ** 2 / 10000, HALF_LN2 ** 2, range(0, terms), weight, bits)


def log_poly(degree, bits):
    """(log1p(f) - f) / f^2, -1/2 first; the error is relative to log1p."""
    return lambda: fit(lambda f: (mpmath.log1p(f) - f) / f ** 2, LOG_LOW, LOG_HIGH, range(1, degree - 1),
                       lambda f: f ** 2 / mpmath.log1p(f), bits, {0: mpf(-1) / 2})


def log_atanh_poly(terms, bits):
    high = (mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1)
    return lambda: fit(lambda z: (2 * mpmath.atanh(mpmath.sqrt(z)) / mpmath.sqrt(z) - 2) / z,
                       high ** 2 / 1000, high ** 2, range(0, terms), lambda z: z / 2, bits)


def erf_near_poly(high, degree, bits):
    """erf(x) / x - 1 in z = x^2, on [0, high]."""
    def ratio(z):
        x = mpmath.sqrt(z)
        return mpmath.erf(x) / x
    return lambda: fit(lambda z: ratio(z) - 1, mpf(high) ** 2 / 10000, mpf(high) ** 2, range(0, degree + 1),
                       lambda z: 1 / ratio(z), bits)


def erf_far_poly(low, high, center, degree, bits):
    """log2(erfc(a)) in a - center, on [low, high]; the error is relative to erf."""
    def weight(t):
        return LN2 * mpmath.erfc(t + center) / mpmath.erf(t + center)
    return lambda: fit(lambda t: mpmath.log(mpmath.erfc(t + center)) / LN2, mpf(low) - center,
                       mpf(high) - center, range(0, degree + 1), weight, bits)


def erfcx_in(scale):
    """e^(x^2) erfc(x) in t = 1 / (1 + scale x)."""
    def f(t):
        x = (1 / t - 1) / scale
        return mpmath.exp(x * x) * mpmath.erfc(x)
    return f


def erfcx_poly(scale, high, powers, bits, n):
    """The same for x on [0, high]."""
    f, t = erfcx_in(mpf(scale)), lambda x: 1 / (1 + mpf(x) * mpf(scale))
    return lambda: fit(f, t(high), t(0), powers, lambda x: 1 / f(x), bits, n=n)


def erfcx_ratio_poly(scale, center, high, degree, bits, n):
    """The same divided by t, in t - center."""
    f, t, center = erfcx_in(mpf(scale)), lambda x: 1 / (1 + mpf(x) * mpf(scale)), mpf(center)
    g = lambda s: f(s + center) / (s + center)
    return lambda: fit(g, t(high) - center, t(0) - center, range(degree + 1), lambda s: 1 / g(s), bits, n=n)


def erfcx_ratio_at_once(scale, center, high, degree, bits, n):
    """The same, all coefficients rounded at once: fitting again after each takes hours here."""
    f, t, center = erfcx_in(mpf(scale)), lambda x: 1 / (1 + mpf(x) * mpf(scale)), mpf(center)
    g = lambda s: f(s + center) / (s + center)
    def run():
        points = [x - center for x in grid(t(high), t(0), n)]
        c, _ = remez(points, [g(x) for x in points], [1 / g(x) for x in points], list(range(degree + 1)))
        known = {k: round_to(ck, bits) for k, ck in enumerate(c)}
        error = max(abs(sum(ck * x ** k for k, ck in known.items()) / g(x) - 1)
                    for x in (x - center for x in grid(t(high), t(0), 4 * n)))
        return known, error
    return run


QUARTER_PI = pi / 4 * mpf("1.0001")


def sin_poly(degree, bits):
    """(sin(r) - r) / r^3 in z = r^2; the error is relative to sin."""
    def f(z):
        r = mpmath.sqrt(z)
        return (mpmath.sin(r) - r) / r ** 3
    return lambda: fit(f, QUARTER_PI ** 2 / 10000, QUARTER_PI ** 2, range(0, degree + 1), lambda z: z, bits)


def cos_poly(degree, bits):
    """(cos(r) - 1 + r^2 / 2) / r^4 in z = r^2; the error is relative to 1."""
    def f(z):
        return (mpmath.cos(mpmath.sqrt(z)) - 1 + z / 2) / z ** 2
    return lambda: fit(f, QUARTER_PI ** 2 / 10000, QUARTER_PI ** 2, range(0, degree + 1), lambda z: z ** 2, bits)


def pow_poly(degree, bits):
    """log2((1 + s) / (1 - s)) / s without its terms in 1 and z = s^2, over z^2."""
    high = ((mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1)) ** 2 * mpf("1.0001")
    scale = 2 / LN2
    def f(z):
        s = mpmath.sqrt(z)
        return scale * (mpmath.atanh(s) / s - 1 - z / 3) / z ** 2
    return lambda: fit(f, high / 1000, high, range(0, degree + 1), lambda z: z ** 2 / scale, bits)


FITS = {
    "exp_f32": exp_poly(6, 24),
    "exp_f64": exp_poly(11, 53),
    # half accuracy: 2^x, no fixed coefficient but the one that keeps exp(0) = 1
    "exp2_half": exp2_poly(5, 24),
    "exp2_half4": exp2_poly(4, 24),
    # e^r = a / (a - r), a = u / 2 + r / 2: the code has half of these, and 1/2 for r
    "exp_ratio_half": exp_ratio_poly(2, 24),
    "exp2_f32": exp2_poly(6, 24),
    "exp2_f64": exp2_poly(11, 53),
    "expm1_f32": expm1_poly(7, 24),
    "expm1_f64": expm1_poly(12, 53),
    # tanh(x) = x + x z (c[0] + z c[1] + ...), z = x^2, on [0, 1/2]
    "tanh_half": lambda: fit(lambda z: (mpmath.tanh(mpmath.sqrt(z)) / mpmath.sqrt(z) - 1) / z, "0.001",
                             "0.26", range(0, 3), lambda z: z * mpmath.sqrt(z) / mpmath.tanh(mpmath.sqrt(z)), 24),
    "erf_near_f32": erf_near_poly(1, 6, 24),
    "erf_far_f32": erf_far_poly(1, "3.95", 0, 6, 24),
    "erf_near_half": erf_near_poly("0.9", 4, 24),
    "erf_far_half": erf_far_poly("0.9", "3.95", 0, 4, 24),
    "erf_near_f64": erf_near_poly(1, 11, 53),
    "erf_far_f64": erf_far_poly(1, "5.95", 2, 18, 53),
    # e^(x^2) erfc(x) = c[0] + t c[1] + ..., t = 1 / (1 + scale x)
    "erfcx_half": erfcx_poly("0.4375", 14, range(1, 9), 24, 150),
    # (the same) / t in t - center
    "erfcx_f32": erfcx_ratio_poly("0.375", "0.46875", "10.1", 8, 24, 150),
    "erfcx_f64": erfcx_ratio_at_once("0.28125", "0.5", "27.5", 22, 53, 140),
    "sin_f32": sin_poly(2, 24),
    "cos_f32": cos_poly(2, 24),
    "sin_f64": sin_poly(5, 53),
    "cos_f64": cos_poly(5, 53),
    "pow_f32": pow_poly(2, 24),
    "pow_f64": pow_poly(6, 53),
    "log_f32": log_poly(10, 24),
    "log_f64": log_atanh_poly(7, 53),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or FITS:
        show(name, *FITS[name]())
