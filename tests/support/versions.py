"""What a frame says on the version of pandas that the tests run on."""

from mkframe._pandas import text_dtype

TEXT = str(text_dtype())
"""The dtype of text: ``str``, or ``object`` on pandas 2.2."""
