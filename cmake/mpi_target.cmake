# bert::mpi: bert::bert with an installed MPI, for programs that include bert/distributed/mpi.hpp; no target if none is found. By
# the C interface: MPI's C++ one is gone from newer versions.
if(NOT TARGET bert::mpi)
  set(MPI_CXX_SKIP_MPICXX ON)
  find_package(MPI QUIET COMPONENTS CXX)
  if(MPI_CXX_FOUND)
    add_library(bert::mpi INTERFACE IMPORTED)
    target_link_libraries(bert::mpi INTERFACE bert::bert MPI::MPI_CXX)
  endif()
endif()
