from .approval import FourEyes
from .calendar import CalendarDay
from .command import Command
from .event import Event

__all__ = ["CalendarDay", "Command", "Event", "FourEyes"]
