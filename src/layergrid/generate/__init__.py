"""Writes the model's greedy completion of every prompt, or takes answers and texts as they are given; it grades none.

texts       prompts and texts into sequences
decoding    the model's own words, token by token
columns     answers that stand in the data
answering   their tokens into sequences
scoring     log-probabilities of tokens that are known, from one forward pass
asking      whether the model holds its own answer for right
fitting     which prompts leave room for an answer
room        whether a model can write, and whether prompts fit
"""

from layergrid.generate.answering import given as given
from layergrid.generate.asking import PTrue as PTrue
from layergrid.generate.asking import p_true as p_true
from layergrid.generate.asking import questions as questions
from layergrid.generate.columns import Answered as Answered
from layergrid.generate.columns import answered as answered
from layergrid.generate.decoding import Completion as Completion
from layergrid.generate.decoding import greedy as greedy
from layergrid.generate.decoding import plan as plan
from layergrid.generate.texts import dialogue as dialogue
from layergrid.generate.texts import generate as generate
from layergrid.generate.texts import read as read

VERSION = 2  # part of the stage's key: raise it when a completion or its log-probabilities change
GIVEN = 1  # the same of answers that stand in the data
P_TRUE = 1  # the same of P(True)
