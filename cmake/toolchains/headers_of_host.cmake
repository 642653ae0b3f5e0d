# The header-only packages of this machine for a cross compiler, which must not see the rest of /usr/include: links to their
# folders, and a package configuration for each.
set(headers ${CMAKE_BINARY_DIR}/headers_of_host)
file(MAKE_DIRECTORY ${headers}/include)
foreach(entry IN ITEMS xsimd:xsimd:xsimd nlohmann_json:nlohmann:nlohmann_json::nlohmann_json doctest:doctest:doctest::doctest
                       CLI11:CLI:CLI11::CLI11)
  string(REGEX MATCH "^([^:]*):([^:]*):(.*)$" entry ${entry})
  set(package ${CMAKE_MATCH_1})
  set(folder ${CMAKE_MATCH_2})
  set(target ${CMAKE_MATCH_3})
  if(EXISTS /usr/include/${folder})
    file(CREATE_LINK /usr/include/${folder} ${headers}/include/${folder} SYMBOLIC)
    file(CONFIGURE OUTPUT ${headers}/${package}/${package}Config.cmake @ONLY CONTENT [[
if(NOT TARGET @target@)
  add_library(@target@ INTERFACE IMPORTED)
  set_target_properties(@target@ PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "@headers@/include")
endif()
]])
    set(${package}_DIR ${headers}/${package} CACHE PATH "Headers of this machine")
  endif()
endforeach()
