"""What every recipe's training shares."""

from lact_modules.packages import exit_at_misfits

exit_at_misfits()
