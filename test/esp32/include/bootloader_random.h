/* Of ESP-IDF 5.x, components/bootloader_support/include/bootloader_random.h: what the board uses. */
#pragma once

void bootloader_random_enable(void);
