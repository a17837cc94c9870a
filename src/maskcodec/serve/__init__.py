"""Ask models behind vLLM or SGLang: requests for valid masks only, and their answers."""

from maskcodec.answers import Answer, Progress
from maskcodec.serve.checks import check
from maskcodec.serve.client import ask, served
from maskcodec.serve.reading import Reader, read
from maskcodec.serve.requests import request

__all__ = ["Answer", "Progress", "Reader", "ask", "check", "read", "request", "served"]
