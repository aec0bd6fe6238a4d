/* Of ESP-IDF 5.x, components/esp_timer/include/esp_timer.h: what the board uses. Microseconds since the start. */
#pragma once

#include <stdint.h>

int64_t esp_timer_get_time(void);
