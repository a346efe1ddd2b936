"""A version on trial gets copies of what another answers; where they disagree is counted, and no caller notices."""

from service.shadow.sequence import ShadowSequence
from service.shadow.worker import ShadowPolicy, Shadows

__all__ = ["ShadowPolicy", "ShadowSequence", "Shadows"]
