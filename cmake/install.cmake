# Installed as a CMake package: find_package(convoy) gives convoy::convoy.
