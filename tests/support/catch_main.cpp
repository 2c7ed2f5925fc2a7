// catch_main.cpp -- the test programs' main, for Catch2 2.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
