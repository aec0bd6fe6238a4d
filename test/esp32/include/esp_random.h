/* Of ESP-IDF 5.x, components/esp_hw_support/include/esp_random.h: what the board uses. */
#pragma once

#include <stddef.h>

void esp_fill_random(void *buf, size_t len);
