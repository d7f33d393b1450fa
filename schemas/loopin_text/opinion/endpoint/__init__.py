"""A language model's opinion, from any endpoint that speaks OpenAI's chat completions. Off unless configured.

It may take seconds, cost money, hang or answer rubbish: so it is asked apart from the other methods, never by
the stream, within a time, a budget and a circuit breaker, and everybody gets on without its answer.
"""

from loopin_text.opinion.endpoint.endpoint import Endpoint, EndpointOptions, NoAnswer, Reason
from loopin_text.opinion.endpoint.reply import Judgement

__all__ = ["Endpoint", "EndpointOptions", "Judgement", "NoAnswer", "Reason"]
