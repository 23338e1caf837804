"""Turns columns into prompts, prompts into ids, and kept ids back into characters; it knows no model and no answer.

templates   columns into prompts
chat        prompts into dialogues, by the template of a model's tokenizer
encoding    prompts into ids, ids into characters
"""

from layergrid.prompts.chat import ChatSpec as ChatSpec
from layergrid.prompts.chat import check_start as check_start
from layergrid.prompts.chat import dialogues as dialogues
from layergrid.prompts.chat import told as told
from layergrid.prompts.encoding import TokenText as TokenText
from layergrid.prompts.encoding import completion_offsets as completion_offsets
from layergrid.prompts.encoding import decoded_spans as decoded_spans
from layergrid.prompts.encoding import encode_prompts as encode_prompts
from layergrid.prompts.encoding import tokenizable as tokenizable
from layergrid.prompts.encoding import with_lone_surrogates as with_lone_surrogates
from layergrid.prompts.templates import render as render
