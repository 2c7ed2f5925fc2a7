"""Swage: kernels from strings, compiled on first use, called on the arrays of any library.

    import numpy, swage

    swiglu = swage.kernel('''
        kernel swiglu<T>(gate: in T, up: in T, h: out T) {
          h = gate * sigmoid(gate) * up;
        }
    ''', T="f32")
    h = swiglu(gate, up)

`kernel` makes a kernel of a text or of the catalogue, `catalogue` lists what comes ready, `devices`
what it can run on, `scale_view` makes the usual layouts of scales, `configure` sets what else the
environment would, and `Error` is what fails.
"""

from swage._catalogue import Entry, catalogue
from swage._device import Device, configure, devices
from swage._error import Error, Place
from swage._kernel import Constant, Kernel, Parameter, kernel
from swage._scales import ScaleView, scale_view
from swage._tune import Tuned

__version__ = "0.1.0"

__all__ = ["Constant", "Device", "Entry", "Error", "Kernel", "Parameter", "Place", "ScaleView",
           "Tuned", "catalogue", "configure", "devices", "kernel", "scale_view"]
