"""seeded.py -- tests whose random numbers are the same in every run, whatever ran before."""

import unittest

import torch


class Seeded(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(11)
