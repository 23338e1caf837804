"""Writes the model's greedy completion of every prompt, or reads texts as they are given; it grades nothing.

texts       prompts and texts into sequences
decoding    the model's own words, token by token
room        whether a model can write, and whether prompts fit
"""

from layergrid.generate.decoding import Completion as Completion
from layergrid.generate.decoding import greedy as greedy
from layergrid.generate.decoding import plan as plan
from layergrid.generate.texts import dialogue as dialogue
from layergrid.generate.texts import generate as generate
from layergrid.generate.texts import read as read

VERSION = 2  # part of the stage's key: raise it when a completion or its log-probabilities change
