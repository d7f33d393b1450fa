"""What people would say of a text's feeling: several methods, and a combination that knows how sure it is.

    >>> from loopin_text.opinion.opinions import opinion
    >>> opinion("The sound was terrible").sentiment
    'negative'

Needs the extra ``text``; with ``models``, TextBlob and the detection of languages take part. Nothing here is
in the stream's way: there ``loopin_text.sentiment`` scores.
"""
