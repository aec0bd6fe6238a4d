/* Names in a list with commas between them, as boards are told which applets are theirs. */
#ifndef TALLYSTICK_LISTED_H
#define TALLYSTICK_LISTED_H

#include <stdbool.h>

bool is_listed(const char *list, const char *name);

#endif
