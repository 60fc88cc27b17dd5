// What of the headers a shared library exports; everything else in it is hidden.
#pragma once

#define CONVOY_API [[gnu::visibility("default")]]
