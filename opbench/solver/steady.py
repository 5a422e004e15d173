def solve_steady(pde, grid, given, tolerance=1e-10, order=2):
    raise NotImplementedError
