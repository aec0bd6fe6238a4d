/* Of ESP-IDF 5.x, components/esp_system/include/esp_system.h: what the board uses. */
#pragma once

void esp_restart(void) __attribute__((__noreturn__));
