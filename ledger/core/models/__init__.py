from .approval import FourEyes
from .calendar import CalendarDay, SevereWeatherDay
from .command import Command
from .event import Event

__all__ = ["CalendarDay", "Command", "Event", "FourEyes", "SevereWeatherDay"]
