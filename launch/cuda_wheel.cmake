# LibTorch with CUDA, and the CUDA runtime and NCCL that it was built with, from the wheels of `launch/setup.sh --cuda`.
#
# Not through find_package(Torch): its CUDA part enables the language CUDA, which takes nvcc, and looks for libraries by names
# without a version, which the wheels do not have. This program compiles no CUDA source (kernels are compiled at run time by NVRTC),
# so headers and shared libraries are all it takes, and it configures on a host without a GPU or a toolkit.
# Sets TORCH_INSTALL_PREFIX, TORCH_INCLUDE_DIRS, TORCH_LIBRARIES.
if(GANYMEDE_TORCH)
  set(TORCH_INSTALL_PREFIX ${GANYMEDE_TORCH})
else()
  file(GLOB TORCH_INSTALL_PREFIX ${CMAKE_SOURCE_DIR}/.venv-cuda/lib/python3*/site-packages/torch)
endif()
get_filename_component(GANYMEDE_SITE "${TORCH_INSTALL_PREFIX}/.." ABSOLUTE)
file(GLOB GANYMEDE_CUDA_RUNTIME ${GANYMEDE_SITE}/nvidia/cu1*/lib/libcudart.so.*)
file(GLOB GANYMEDE_CUDA_INCLUDE ${GANYMEDE_SITE}/nvidia/cu1*/include)
set(GANYMEDE_NCCL ${GANYMEDE_SITE}/nvidia/nccl)
foreach(needed "${TORCH_INSTALL_PREFIX}/lib/libtorch_cuda.so" "${GANYMEDE_CUDA_RUNTIME}" "${GANYMEDE_CUDA_INCLUDE}/cuda_runtime_api.h" "${GANYMEDE_CUDA_INCLUDE}/nv/target"
        ${GANYMEDE_NCCL}/include/nccl.h ${GANYMEDE_NCCL}/lib/libnccl.so.2)
  if(NOT EXISTS "${needed}")
    message(FATAL_ERROR "No LibTorch with CUDA: '${needed}' is not there. Run launch/setup.sh --cuda, "
      "or name the torch folder of such an environment with -DGANYMEDE_TORCH=DIR.")
  endif()
endforeach()
set(TORCH_INCLUDE_DIRS ${TORCH_INSTALL_PREFIX}/include ${TORCH_INSTALL_PREFIX}/include/torch/csrc/api/include ${GANYMEDE_CUDA_INCLUDE}
    ${GANYMEDE_NCCL}/include)
# libtorch_cuda registers its operators when it is loaded: it must stay although no symbol of it is used.
set(TORCH_LIBRARIES -Wl,--no-as-needed ${TORCH_INSTALL_PREFIX}/lib/libtorch.so ${TORCH_INSTALL_PREFIX}/lib/libtorch_cpu.so
    ${TORCH_INSTALL_PREFIX}/lib/libtorch_cuda.so ${TORCH_INSTALL_PREFIX}/lib/libc10.so ${TORCH_INSTALL_PREFIX}/lib/libc10_cuda.so
    -Wl,--as-needed ${GANYMEDE_CUDA_RUNTIME} ${GANYMEDE_NCCL}/lib/libnccl.so.2)
message(STATUS "CUDA runtime ${GANYMEDE_CUDA_RUNTIME}, NCCL ${GANYMEDE_NCCL}")
