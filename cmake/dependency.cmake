# bert_dependency(package debian_package [version]): find_package, or an error that names the Debian package.
macro(bert_dependency package debian_package)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "bert: expected the CMake package ${package} ${ARGN}, found none; "
                        "apt-get install ${debian_package}, or run tools/install-packages, or set ${package}_DIR")
  endif()
endmacro()
