"""Estimates and their intervals, calibration, conformal sets; nothing here reads a file."""
